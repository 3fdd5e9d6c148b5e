-- SPDX-License-Identifier: Apache-2.0
-- What Glint keeps beside Glance's tables. Glance does not look at any of it. Every statement may run again.

-- The files of this folder that were applied.
CREATE TABLE IF NOT EXISTS glint_schema (
    version INTEGER NOT NULL,
    PRIMARY KEY (version)
);
INSERT INTO glint_schema (version) SELECT 2 WHERE NOT EXISTS (SELECT 1 FROM glint_schema WHERE version = 2);

-- Who moves the bytes of an image that is `saving`, until when that is believed (µs since 1970), into which object.
CREATE TABLE IF NOT EXISTS glint_leases (
    image_id VARCHAR(36) NOT NULL,
    holder VARCHAR(255) NOT NULL,
    store VARCHAR(255) NOT NULL,
    url TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (image_id)
);

-- Objects that no image owns any more and that are still to be removed from their store. An id is never used again:
-- two cleaners may work on the list at once.
CREATE TABLE IF NOT EXISTS glint_trash (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    store VARCHAR(255) NOT NULL,
    url TEXT NOT NULL,
    created_at DATETIME NOT NULL,
    attempts INTEGER NOT NULL
);

-- Listing: one index for each order that a client may ask for, so that a page is a short walk along it. Equality
-- columns come first, then the sort key, then the tie-breakers.
CREATE INDEX IF NOT EXISTS glint_images_created ON images (deleted, os_hidden, created_at, id);
CREATE INDEX IF NOT EXISTS glint_images_updated ON images (deleted, os_hidden, updated_at, created_at, id);
CREATE INDEX IF NOT EXISTS glint_images_name ON images (deleted, os_hidden, name, created_at, id);
CREATE INDEX IF NOT EXISTS glint_images_status ON images (deleted, os_hidden, status, created_at, id);
CREATE INDEX IF NOT EXISTS glint_images_container ON images (deleted, os_hidden, container_format, created_at, id);
CREATE INDEX IF NOT EXISTS glint_images_disk ON images (deleted, os_hidden, disk_format, created_at, id);
CREATE INDEX IF NOT EXISTS glint_images_size ON images (deleted, os_hidden, size, created_at, id);
CREATE INDEX IF NOT EXISTS glint_images_id ON images (deleted, os_hidden, id);
-- The default order again, for what one project sees: its own images, and those of one visibility.
CREATE INDEX IF NOT EXISTS glint_images_owner ON images (owner, deleted, os_hidden, created_at, id);
CREATE INDEX IF NOT EXISTS glint_images_visibility ON images (visibility, deleted, os_hidden, created_at, id);
-- What is shared with a project, and whether one image is.
CREATE INDEX IF NOT EXISTS glint_image_members_member ON image_members (member, image_id, deleted, status);
-- Images with a tag that few have.
CREATE INDEX IF NOT EXISTS glint_image_tags_value ON image_tags (value, image_id);
-- Whether an object of a store is still somebody's.
CREATE INDEX IF NOT EXISTS glint_image_locations_value ON image_locations (value);
