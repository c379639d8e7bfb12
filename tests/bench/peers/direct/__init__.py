"""The direct pipeline: this pipeline without its ledger, each group of scans in the Celery message itself.

What the ledger costs or saves shows against it: the same gateway with the same group commit, the same handling and the
same transactions in as many worker processes, on the same servers with the same durability. A group's write is one
confirmed ``LPUSH`` of one message, with late acknowledgement and rejection of what a lost worker had. There is no
stream, no index of identities, no lease, nothing to settle. Commands go through their ledger, as they do in ours.

A message is a transaction. Plain Celery hands a worker one message at a time, so that batches don't grow with a
backlog; celery-batches would gather, and acknowledge what it gathered before it is done.

It favours the peer that nobody is told anything: no outcomes, nothing of what arrived of a device's counters. What it
doesn't promise, and ours does: a scan whose message Celery loses is gone.
"""

TASK = "scans.apply"
