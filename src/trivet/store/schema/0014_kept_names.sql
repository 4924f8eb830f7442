-- expand
-- Custom traits and classes stay while something has them, whatever races: the database knows of the reference. The
-- standard ones are no rows, so the column that refers is the name only where it is a custom one. What lost its name
-- in a race before gets it back.
INSERT INTO custom_traits (name, created_at)
    SELECT DISTINCT trait, 0.0 FROM provider_traits
    WHERE substr(trait, 1, 7) = 'CUSTOM_' AND trait NOT IN (SELECT name FROM custom_traits);
INSERT INTO custom_classes (name, created_at)
    SELECT DISTINCT class, 0.0 FROM inventories
    WHERE substr(class, 1, 7) = 'CUSTOM_' AND class NOT IN (SELECT name FROM custom_classes);
ALTER TABLE provider_traits ADD COLUMN custom TEXT
    GENERATED ALWAYS AS (CASE WHEN substr(trait, 1, 7) = 'CUSTOM_' THEN trait END) {computed}
    REFERENCES custom_traits (name);
ALTER TABLE inventories ADD COLUMN custom TEXT
    GENERATED ALWAYS AS (CASE WHEN substr(class, 1, 7) = 'CUSTOM_' THEN class END) {computed}
    REFERENCES custom_classes (name);
