"""PostgreSQL: the embedded server, migrations, the recorder, queries."""
