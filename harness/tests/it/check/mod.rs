mod api;
mod append_only;
mod graph;
mod rls;
mod row_count;
