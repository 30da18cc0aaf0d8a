-- A store as the first version of the schema made it: two keys, one of them reset once, a turn cut off in a call.
PRAGMA application_id = 1197568609;
PRAGMA user_version = 1;
CREATE TABLE sessions (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, started_at REAL NOT NULL);
CREATE INDEX sessions_by_key ON sessions (key, n);
CREATE TABLE entries (n INTEGER PRIMARY KEY AUTOINCREMENT, session INTEGER NOT NULL REFERENCES sessions (n) ON DELETE CASCADE, seq INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, item BLOB NOT NULL, UNIQUE (session, seq));
CREATE TRIGGER entries_are_written_once BEFORE UPDATE ON entries BEGIN SELECT raise(ABORT, 'an entry is never changed'); END;
INSERT INTO sessions VALUES (1, '0123456789abcdef0123456789abcdef', 'agent:main:main', 1700000000.0);
INSERT INTO sessions VALUES (2, '11111111111111111111111111111111', 'agent:main:explicit:work', 1700000100.0);
INSERT INTO sessions VALUES (3, '22222222222222222222222222222222', 'agent:main:main', 1700000200.0);
INSERT INTO entries VALUES (1, 1, 1, 1700000001.0, 'head', CAST('{"type":"head","system":"You are Garra.","tools":[{"name":"read","description":"Read a file.","parameters":{"type":"object"}}],"model":"vllm/m"}' AS BLOB));
INSERT INTO entries VALUES (2, 1, 2, 1700000002.0, 'user', CAST('{"type":"said","message":{"type":"user","content":"What is in the harbour list?"}}' AS BLOB));
INSERT INTO entries VALUES (3, 1, 3, 1700000003.0, 'assistant', CAST('{"type":"said","message":{"type":"assistant","text":"Seven ships.","reasoning":"count","reasoning_field":"reasoning"},"model":"vllm/m","usage":{"type":"usage","prompt_tokens":9,"completion_tokens":3,"cached_tokens":null}}' AS BLOB));
INSERT INTO entries VALUES (4, 2, 1, 1700000101.0, 'user', CAST('{"type":"said","message":{"type":"user","content":[{"type":"text","text":"Paint the pier"},{"type":"image","url":"data:image/png;base64,AAAA"}]}}' AS BLOB));
INSERT INTO entries VALUES (5, 3, 1, 1700000201.0, 'user', CAST('{"type":"said","message":{"type":"user","content":"Read it again"}}' AS BLOB));
INSERT INTO entries VALUES (6, 3, 2, 1700000202.0, 'assistant', CAST('{"type":"said","message":{"type":"assistant","calls":[{"id":"c1","name":"read","arguments":"{\"path\": \"list\"}"}]},"model":"vllm/m"}' AS BLOB));
