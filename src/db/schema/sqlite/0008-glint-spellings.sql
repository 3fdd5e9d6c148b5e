-- SPDX-License-Identifier: Apache-2.0
-- Locations that may name an object in another spelling than the usual one. Every statement may run again.

CREATE INDEX IF NOT EXISTS glint_image_locations_odd ON image_locations (value)
    WHERE value LIKE 'file%' AND (value NOT LIKE 'file:///%' OR value LIKE '%!%%' ESCAPE '!');
INSERT INTO glint_schema (version) SELECT 8 WHERE NOT EXISTS (SELECT 1 FROM glint_schema WHERE version = 8);
