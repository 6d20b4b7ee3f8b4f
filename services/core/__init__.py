"""Models, storage, jobs and limits: what both transports and the ingest application share."""
