-- SPDX-License-Identifier: Apache-2.0
-- Which workers are at work. Glance does not look at it. Every statement may run again.

-- A worker writes its row when it starts and renews seen_at (microseconds since 1970) while it runs. holder names its
-- process as in glint_jobs. detached: an embedded service started it; settings tells by which configuration files.
CREATE TABLE IF NOT EXISTS glint_workers (
    holder VARCHAR(255) NOT NULL,
    detached INTEGER NOT NULL,
    settings VARCHAR(64) NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (holder)
);
INSERT INTO glint_schema (version) SELECT 6 WHERE NOT EXISTS (SELECT 1 FROM glint_schema WHERE version = 6);
