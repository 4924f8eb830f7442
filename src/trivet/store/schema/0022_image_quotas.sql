-- expand
-- What a writer has been promised room for, in MiB, before and while its bytes come.
ALTER TABLE images ADD COLUMN writing_mib BIGINT NOT NULL DEFAULT 0;

-- Staged bytes and uploads under way are counted from now on; what is there counts, too.
INSERT INTO quota_usages (scope_id, resource, used)
SELECT project_id, 'image_count_uploading', COUNT(*) FROM images
WHERE project_id IS NOT NULL AND status IN ('saving', 'uploading', 'importing') GROUP BY project_id
ON CONFLICT (scope_id, resource) DO UPDATE SET used = excluded.used;
INSERT INTO quota_usages (scope_id, resource, used)
SELECT project_id, 'image_stage_total', SUM((staged_size + 1048575) / 1048576) FROM images
WHERE project_id IS NOT NULL AND staged_key IS NOT NULL AND staged_size IS NOT NULL GROUP BY project_id
ON CONFLICT (scope_id, resource) DO UPDATE SET used = excluded.used;
