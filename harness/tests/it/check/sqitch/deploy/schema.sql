-- deploy/schema.sql
SELECT 1;
