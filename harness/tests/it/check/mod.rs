mod api;
mod graph;
