-- The sample reader's tables and two accounts, for the bundled database of docker-compose.yml. Not for your own database.
CREATE TABLE accounts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  erasure_requested_at timestamptz
);
CREATE TABLE sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE feeds (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  title text NOT NULL
);
CREATE TABLE posts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  feed_id bigint NOT NULL REFERENCES feeds (id) ON DELETE CASCADE,
  title text NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON sessions (account_id, id);
CREATE INDEX ON feeds (account_id, id);
CREATE INDEX ON posts (account_id, id);
CREATE INDEX ON posts (feed_id);

-- Account 1 is small and erased inside the request; account 2 is large and waits for the sweep.
INSERT INTO accounts (email) VALUES ('small@example.com'), ('large@example.com');
INSERT INTO sessions (account_id) VALUES (1), (2);
INSERT INTO feeds (account_id, title) SELECT account, 'Feed ' || n FROM (VALUES (1), (2)) a (account), generate_series(1, 3) n;
INSERT INTO posts (account_id, feed_id, title, body)
SELECT f.account_id, f.id, 'Post ' || n, repeat('Lorem ipsum dolor sit amet. ', 8)
  FROM feeds f, LATERAL generate_series(1, CASE f.account_id WHEN 1 THEN 20 ELSE 10000 END) n;
