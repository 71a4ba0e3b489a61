"use strict";
(() => {
  // Rows are made when somebody looks at them: a gate of twenty thousand cases opens at once.
  const STEP = 200;
  const data = JSON.parse(document.getElementById("cases").textContent);
  const words = { p: "passed", f: "failed", e: "error", s: "skipped", n: "not run" };
  const cell = (row, tag, text) => {
    const made = document.createElement(tag);
    made.textContent = text;
    row.append(made);
    return made;
  };
  const line = (one, gate) => {
    const [outcome, name, seconds, message] = one;
    const row = document.createElement("tr");
    const mark = cell(cell(row, "td", ""), "span", words[outcome]);
    mark.className = "v " + (words[outcome] === "not run" ? "skipped" : words[outcome]);
    const said = cell(row, "th", name);
    said.scope = "row";
    if (message) {
      said.append(document.createElement("br"));
      cell(said, "small", message);
    }
    if (gate !== undefined) cell(row, "td", gate);
    cell(row, "td", seconds.toFixed(2));
    return row;
  };
  const fill = (body, cases, after) => {
    const more = document.createElement("button");
    more.type = "button";
    let shown = 0;
    const next = () => {
      const part = document.createDocumentFragment();
      for (const one of cases.slice(shown, shown + STEP)) part.append(one());
      body.append(part);
      shown = Math.min(shown + STEP, cases.length);
      more.textContent = "Show more (" + (cases.length - shown) + ")";
      if (shown >= cases.length) more.remove();
    };
    next();
    if (shown < cases.length) {
      more.addEventListener("click", next);
      after.after(more);
    }
    return more;
  };
  for (const details of document.querySelectorAll("details.gate")) {
    details.addEventListener("toggle", () => {
      const place = details.querySelector(".cases");
      const cases = data[Number(details.dataset.gate)].cases;
      if (!details.open || place.firstChild || cases.length === 0) return;
      const wide = document.createElement("div");
      wide.className = "wide";
      wide.tabIndex = 0;
      wide.setAttribute("role", "region");
      wide.setAttribute("aria-label", "Cases of " + data[Number(details.dataset.gate)].id);
      const table = document.createElement("table");
      const head = table.createTHead().insertRow();
      for (const name of ["outcome", "case", "seconds"]) cell(head, "th", name).scope = "col";
      const body = table.createTBody();
      wide.append(table);
      place.append(wide);
      fill(body, cases.map((one) => () => line(one)), wide);
    });
  }
  const input = document.getElementById("words");
  const found = document.getElementById("found");
  const hits = document.getElementById("hits");
  const boxes = [...document.querySelectorAll("input[name=outcome]")];
  let button;
  const search = () => {
    const part = input.value.trim().toLowerCase();
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const narrowed = part !== "" || wanted.size < boxes.length;
    found.hidden = !narrowed;
    if (button) button.remove();
    hits.replaceChildren();
    if (!narrowed) return;
    const rows = [];
    for (const gate of data)
      for (const one of gate.cases)
        if (wanted.has(one[0]) && (part === "" || one[1].toLowerCase().includes(part) || gate.id.toLowerCase().includes(part))) rows.push(() => line(one, gate.id));
    document.getElementById("count").textContent = rows.length === 1 ? "1 case" : rows.length + " cases";
    button = fill(hits, rows, hits.closest(".wide"));
  };
  let due;
  input.addEventListener("input", () => {
    clearTimeout(due);
    due = setTimeout(search, 60);
  });
  for (const box of boxes) box.addEventListener("change", search);
  document.getElementById("search").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) {
      event.preventDefault();
      input.focus();
    } else if (event.key === "Escape" && document.activeElement === input) {
      input.value = "";
      search();
    }
  });
  const open = () => {
    const target = location.hash.startsWith("#gate-") && document.getElementById(location.hash.slice(1));
    if (target) target.open = true;
  };
  addEventListener("hashchange", open);
  open();
})();
