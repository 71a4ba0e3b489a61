"""What the domain does in the database: one module a subject, each in its caller's transaction."""
