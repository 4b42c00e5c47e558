// A table's header sorts it: a button in each cell, by mouse or keys.
"use strict";

// Numbers by their value, what begins otherwise by its letters, and what says nothing last.
const compare = (a, b) => {
  const [x, y] = [Number.parseFloat(a), Number.parseFloat(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a.localeCompare(b, undefined, { numeric: true });
};

const sortBy = (table, column) => {
  const headers = [...table.tHead.rows[0].cells];
  const header = headers[column];
  const descending = header.getAttribute("aria-sort") === "ascending";
  headers.forEach((other) => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const text = (row) => row.cells[column].textContent.trim();
  const says = (row) => !["", "-"].includes(text(row));
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    if (says(a) !== says(b)) return says(a) ? -1 : 1;
    return compare(text(a), text(b)) * (descending ? -1 : 1);
  });
  table.tBodies[0].append(...rows);
};

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sortBy(table, column));
    header.replaceChildren(button);
  });
}
