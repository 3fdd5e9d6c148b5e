-- SPDX-License-Identifier: Apache-2.0
-- Locations by the name of their object, which is what follows the last slash: one directory may have several paths.
-- Every statement may run again.

CREATE INDEX IF NOT EXISTS glint_image_locations_name ON image_locations
    (replace(value, rtrim(value, replace(value, '/', '')), ''))
    WHERE value LIKE 'file%';
INSERT INTO glint_schema (version) SELECT 9 WHERE NOT EXISTS (SELECT 1 FROM glint_schema WHERE version = 9);
