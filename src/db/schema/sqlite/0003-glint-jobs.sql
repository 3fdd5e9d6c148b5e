-- SPDX-License-Identifier: Apache-2.0
-- Work that outlives its request. Glance does not look at it. Every statement may run again.

-- One piece of work for an image: kind says which function does it, step how far it came. While it is `running`,
-- holder has it until expires_at (µs since 1970); `waiting` ones run from next_run_at on. attempt counts failures.
CREATE TABLE IF NOT EXISTS glint_jobs (
    id VARCHAR(36) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    image_id VARCHAR(36) NOT NULL,
    state VARCHAR(16) NOT NULL,
    step VARCHAR(64) NOT NULL,
    attempt INTEGER NOT NULL,
    holder VARCHAR(255) NOT NULL,
    expires_at BIGINT NOT NULL,
    next_run_at BIGINT NOT NULL,
    arguments TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX IF NOT EXISTS glint_jobs_state ON glint_jobs (state, next_run_at);
CREATE INDEX IF NOT EXISTS glint_jobs_image ON glint_jobs (image_id);
INSERT INTO glint_schema (version) SELECT 3 WHERE NOT EXISTS (SELECT 1 FROM glint_schema WHERE version = 3);
