"""`trainer_client report`: one page and pictures of one run, or of several side by side."""
