"""The plain pipeline: FastAPI, one Celery task and one SQLAlchemy transaction per scan.

What an experienced developer writes from the documentation of the three: an endpoint that validates and calls
``task.delay``, a task with late acknowledgement that locks the sack, checks the rules, writes and commits. Same
Valkey and PostgreSQL with the same durability, same driver, same rules for a child scan, same kept data (the scan with
its outcome, the link, the sack's count, one audit row). Nothing in it waits, sleeps or does work that the job
doesn't ask for; where two ways were open, the faster one was measured and taken (see ``docs/bench.md``).

What it doesn't promise, and the pipeline does: a scan whose message Celery loses is gone (``reliability.md``).
"""
