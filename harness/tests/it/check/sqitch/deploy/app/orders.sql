-- deploy/app/orders.sql
SELECT 1;
