"""The local service: jobs that can be watched, stopped and fetched, over HTTP and from the pages."""
