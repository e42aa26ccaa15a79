-- Why a piece went elsewhere than first assigned: a MissortCause, 0 where it did not. It can't be
-- told of pieces recorded before.

ALTER TABLE piece ADD COLUMN missort_cause bigint NOT NULL DEFAULT 0;
