mod append_only;
mod rls;
mod row_count;
