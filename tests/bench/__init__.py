"""What the pipeline can do, measured: against plain Celery code (``make bench``) and over a shift (``make profile``)."""
