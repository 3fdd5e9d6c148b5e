-- SPDX-License-Identifier: Apache-2.0
-- What imports remember. Glance does not look at it. Every statement may run again.

-- What a job has to know on its next try beside its row: gone with its end.
CREATE TABLE IF NOT EXISTS glint_job_notes (
    job_id VARCHAR(36) NOT NULL,
    name VARCHAR(255) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (job_id, name)
);

-- What is known of the bytes in an image's file of the staging store, as they were written: mark tells whether the file
-- is still the same one, host (a URL, or '') whose staging store has it.
CREATE TABLE IF NOT EXISTS glint_staged (
    image_id VARCHAR(36) NOT NULL,
    host VARCHAR(255) NOT NULL,
    mark VARCHAR(255) NOT NULL,
    size BIGINT NOT NULL,
    checksum VARCHAR(32) NOT NULL,
    os_hash_algo VARCHAR(64) NOT NULL,
    os_hash_value VARCHAR(128) NOT NULL,
    verdict TEXT NOT NULL,
    PRIMARY KEY (image_id)
);
INSERT INTO glint_schema (version) SELECT 4 WHERE NOT EXISTS (SELECT 1 FROM glint_schema WHERE version = 4);
