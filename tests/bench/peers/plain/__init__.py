"""The plain pipeline: FastAPI, one Celery task and one SQLAlchemy transaction per scan.

What an experienced developer writes from the documentation of the three: an endpoint that validates and calls
``task.delay``, a task with late acknowledgement that locks the sack, checks the rules, writes and commits. Same
Valkey and PostgreSQL with the same durability, same driver, same rules for a child scan, same kept data: the scan with
its outcome, the link, the sack's count, an audit row. A batch is one task per scan too, sent in a loop, for that is
what plain code has.

Nothing in it waits, sleeps or does work that the job doesn't ask for. Where two ways were open, both were measured and
the faster one taken: statements built once rather than the ORM's unit of work (a quarter less processor time in the
worker), one locking query for both bags, the scan's key rather than a query to find a repeated one, device tokens
remembered, ``delay`` called on the loop rather than on a thread, four worker processes rather than two. Still more of
them or a larger prefetch gave the same rate within the noise.

What it doesn't promise, and the pipeline does: a scan whose message Celery loses is gone, and the audit rows are not
chained.
"""
