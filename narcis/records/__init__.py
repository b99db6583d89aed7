"""SQL: what is remembered of runs, pictures, people and visitors, on SQLite or PostgreSQL."""
