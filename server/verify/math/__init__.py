"""Math answers: an exact fast path in the server, everything else in jailed workers.

Reading order: `latex` (harmless rewriting), `exact` and `units` (what a plain
answer says), `shapes` (lists, tuples, sets, intervals), `fast` (decides in the
server), `guards` (what is never handed on), `judge` (the rules), `symbolic`
(math-verify), `worker` (the jailed half), `verifier` (one request, one verdict).
"""
