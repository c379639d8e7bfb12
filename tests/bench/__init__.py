"""What the pipeline can do, measured: against plain code (``make bench``) and over a shift (``make profile``)."""
