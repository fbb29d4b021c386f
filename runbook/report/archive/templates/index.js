"use strict";
(() => {
  const form = document.querySelector(".rb-filters");
  if (!form) return;
  const table = document.querySelector(".rb-records table");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const said = document.querySelector(".rb-shown");
  const words = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));

  const filter = () => {
    const chosen = new FormData(form);
    const kinds = chosen.getAll("kind");
    const endings = chosen.getAll("ending");
    const project = chosen.get("project");
    const text = chosen.get("text").toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const { kind, ending } = row.dataset;
      const fits = (!kinds.length || kinds.includes(kind))
        && (!endings.length || endings.includes(ending))
        && (!project || project === row.dataset.project)
        && text.every(word => words.get(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    said.textContent = `${shown} of ${rows.length} records shown`;
  };

  // Unknown values come last in both directions.
  const sort = (heading, column) => {
    const upwards = heading.getAttribute("aria-sort") === "descending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", upwards ? "ascending" : "descending");
    const number = body.querySelector(".rb-number") && rows[0].cells[column].classList.contains("rb-number");
    const keyed = rows.map(row => [row.cells[column].dataset.key, row]);
    keyed.sort(([a], [b]) => {
      if (!a || !b) return !a - !b;
      const order = number ? a - b : a < b ? -1 : a > b ? 1 : 0;
      return upwards ? order : -order;
    });
    body.append(...keyed.map(([, row]) => row));
  };

  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(heading, column));
  });
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  filter();
})();
