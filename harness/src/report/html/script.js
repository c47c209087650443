"use strict";
// The newest quarter is at the end.
for (const scroll of document.querySelectorAll(".scroll")) scroll.scrollLeft = scroll.scrollWidth;
for (const form of document.querySelectorAll("form.filter")) {
  const [search] = form.getElementsByTagName("input"), everywhere = form.closest("header");
  const [select] = form.getElementsByTagName("select"), [output] = form.getElementsByTagName("output");
  const table = () => form.nextElementSibling;
  const rows = [...(everywhere ? document.querySelectorAll("[data-row], [data-group] tbody tr") : table().tBodies[0].rows)]
    .map((row) => [row, row.closest("[data-group]"), row.textContent.toLowerCase()]);
  form.hidden = false;
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean), kind = select ? select.value : "";
    const groups = new Map();
    let shown = 0;
    for (const [row, group, text] of rows) {
      const about = group ? group.dataset.group.toLowerCase() + " " + text : text;
      const hit = words.every((word) => about.includes(word)) && (!kind || row.dataset.tone === kind);
      if (row.hidden === hit) row.hidden = !hit;
      if (hit) shown++;
      if (group) groups.set(group, groups.get(group) || hit);
    }
    for (const [group, hit] of groups) {
      group.hidden = !hit;
      if (words.length || kind) group.open = hit && groups.size > 0 && shown < 500;
    }
    output.value = words.length || kind ? shown + " of " + rows.length : "";
  };
  let wait;
  form.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(show, 60); });
  form.addEventListener("submit", (event) => event.preventDefault());
}
