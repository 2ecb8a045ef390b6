"""The audit: what a log holds, and what in it would fool a model or its reader, before anything is trained."""
