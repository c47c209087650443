-- deploy/users@v1.1.sql
SELECT 1;
