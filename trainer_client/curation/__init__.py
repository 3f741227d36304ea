"""`trainer_client curate`: raw problems in, a training set, a report and a reason for each rejection out.

Read `pipeline` first: it is the order of the steps. Every raw row gets a number when it is read; a step only
says which numbers it rejects and by which rule, so that counts add up by construction, a killed run goes on
where it was, and data larger than memory pass through (what is held grows by some 40 bytes a row).
"""
