-- deploy/users.sql
SELECT 1;
