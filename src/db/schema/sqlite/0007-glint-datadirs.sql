-- SPDX-License-Identifier: Apache-2.0
-- The directories of stores, as each host saw them last. Glance does not look at it. Every statement may run again.

-- mark: file system, inode and birth of the directory; mount: where its file system is mounted. Another directory under
-- the same path is not taken for the store unless known objects are in it.
CREATE TABLE IF NOT EXISTS glint_datadirs (
    host VARCHAR(255) NOT NULL,
    dir VARCHAR(1024) NOT NULL,
    mark VARCHAR(255) NOT NULL,
    mount VARCHAR(1024) NOT NULL,
    seen_at DATETIME NOT NULL,
    PRIMARY KEY (host, dir)
);
INSERT INTO glint_schema (version) SELECT 7 WHERE NOT EXISTS (SELECT 1 FROM glint_schema WHERE version = 7);
