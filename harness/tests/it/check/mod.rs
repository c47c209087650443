mod row_count;
