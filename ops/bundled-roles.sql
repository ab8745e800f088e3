-- The role that Lethe connects as to the bundled database of docker-compose.yml, and the owner of the sample's tables: neither is a
-- superuser. Run by psql once, as the administrator. For your own database: docs/operations.md, "Grants".
\getenv password DATABASE_PASSWORD
CREATE ROLE lethe LOGIN PASSWORD :'password';
-- Schemas lethe and lethe_migrations become its own.
GRANT CREATE, CONNECT ON DATABASE app TO lethe;
GRANT USAGE ON SCHEMA public TO lethe;
GRANT SELECT, UPDATE, DELETE ON accounts, sessions, feeds, posts TO lethe;
-- How far standbys are, and who waits for its locks.
GRANT pg_read_all_stats TO lethe;

CREATE ROLE reader NOLOGIN;
GRANT USAGE ON SCHEMA public TO reader;
ALTER TABLE accounts OWNER TO reader;
ALTER TABLE sessions OWNER TO reader;
ALTER TABLE feeds OWNER TO reader;
ALTER TABLE posts OWNER TO reader;
