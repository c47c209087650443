mod api;
mod append_only;
mod extension;
mod graph;
mod index;
mod rls;
mod row_count;
mod schema_version;
