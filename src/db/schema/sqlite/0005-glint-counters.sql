-- SPDX-License-Identifier: Apache-2.0
-- What the workers counted, added up. Glance does not look at it. Every statement may run again.

CREATE TABLE IF NOT EXISTS glint_counters (
    name VARCHAR(64) NOT NULL,
    label1 VARCHAR(64) NOT NULL,
    label2 VARCHAR(64) NOT NULL,
    label3 VARCHAR(64) NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (name, label1, label2, label3)
);

-- Whose turn it was: of the projects with waiting jobs the one with the smallest number is next.
CREATE TABLE IF NOT EXISTS glint_job_turns (
    owner VARCHAR(255) NOT NULL,
    turn BIGINT NOT NULL,
    PRIMARY KEY (owner)
);
INSERT INTO glint_schema (version) SELECT 5 WHERE NOT EXISTS (SELECT 1 FROM glint_schema WHERE version = 5);
