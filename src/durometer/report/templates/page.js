"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = (id) => JSON.parse($(id).textContent);
  const make = (name, text, className) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };

  /* Theme: automatic, light, dark. */
  const themes = ["auto", "light", "dark"];
  const setTheme = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    $("theme").textContent = name[0].toUpperCase() + name.slice(1);
    $("theme").setAttribute("aria-label", `Colour theme: ${name === "auto" ? "automatic" : name}`);
    $("theme").dataset.current = name;
  };
  setTheme("auto");
  $("theme").addEventListener("click", () => {
    setTheme(themes[(themes.indexOf($("theme").dataset.current) + 1) % themes.length]);
  });

  /* Tooltip: the accessible name of a mark, or the meaning of a column. */
  const tooltip = $("tooltip");
  const tipOf = (node) => node.closest?.(".mark, [data-tip]");
  const showTip = (owner) => {
    tooltip.textContent = owner.dataset.tip || owner.getAttribute("aria-label");
    tooltip.hidden = false;
    const box = owner.getBoundingClientRect(), size = tooltip.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.left + box.width / 2 - size.width / 2), innerWidth - size.width - 8);
    const above = box.top - size.height - 10;
    tooltip.style.left = `${left}px`;
    tooltip.style.top = `${above > 8 ? above : box.bottom + 10}px`;
  };
  for (const [show, hide] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
    document.addEventListener(show, (event) => { const owner = tipOf(event.target); if (owner) showTip(owner); });
    document.addEventListener(hide, () => { tooltip.hidden = true; });
  }
  addEventListener("scroll", () => {
    const owner = tipOf(document.activeElement); // the keyboard scrolls to what it reaches: its tip follows
    if (owner && !tooltip.hidden) showTip(owner);
    else tooltip.hidden = true;
  }, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") tooltip.hidden = true; });

  /* Tables: a click sorts, a second one turns the order round; export as CSV or LaTeX. */
  const key = (row, index) => {
    const text = row.cells[index].dataset.sort, value = Number(text);
    return text !== "" && !Number.isNaN(value) ? value : text;
  };
  const missing = (value) => typeof value === "string" && value === "–";
  for (const head of document.querySelectorAll("thead th")) {
    head.querySelector("button").addEventListener("click", () => {
      const body = head.closest("table").tBodies[0], index = head.cellIndex;
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a, index), y = key(b, index);
        if (missing(x) || missing(y)) return missing(x) - missing(y);
        const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
        return down ? -order : order;
      });
      body.append(...rows);
    });
  }
  const exportsOf = data("exports-data");
  for (const box of document.querySelectorAll(".export")) {
    box.addEventListener("click", (event) => {
      const format = event.target.dataset.format;
      if (!format) return;
      const link = make("a");
      link.href = URL.createObjectURL(new Blob([exportsOf[box.dataset.table][format]], { type: "text/plain" }));
      link.download = `${box.dataset.table}.${format}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  /* Charts: choose the axis, hide a series. */
  for (const input of document.querySelectorAll("input[name=axis]")) {
    input.addEventListener("change", () => {
      for (const figure of document.querySelectorAll("figure[data-axis]")) figure.hidden = figure.dataset.axis !== input.value;
    });
  }
  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", on);
      for (const mark of document.querySelectorAll("#frontier .mark")) {
        if (mark.dataset.series === button.dataset.series) mark.toggleAttribute("hidden", !on);
      }
    });
  }

  /* Code as text: changed names marked, invisible characters made visible. Nothing here parses markup. */
  const WORD = /([\p{L}_$][\p{L}\p{N}_$]*)/u;
  const CONTROL = /([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff])/;
  const appendText = (parent, text) => {
    text.split(CONTROL).forEach((part, i) => {
      if (i % 2) parent.append(make("span", `U+${part.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`, "control"));
      else if (part) parent.append(part);
    });
  };
  const codeBlock = (words, changed) => {
    const box = make("div", undefined, "code"), pre = make("pre");
    box.tabIndex = 0;
    let plain = "", lines = 1;
    const flush = () => { if (plain) appendText(pre, plain); plain = ""; };
    words.forEach((word, i) => {
      if (changed(word, i)) { flush(); pre.append(make("mark", word)); }
      else plain += word;
      for (const character of i % 2 ? "" : word) if (character === "\n") lines += 1;
    });
    flush();
    if (lines > 1 && words[words.length - 1].endsWith("\n")) lines -= 1;
    const numbers = Array.from({ length: lines }, (_, i) => i + 1).join("\n");
    const gutter = make("pre", numbers, "gutter");
    gutter.setAttribute("aria-hidden", "true");
    box.append(gutter, pre);
    return box;
  };
  const codePair = (original, adversarial, renames) => {
    const before = original.split(WORD), after = adversarial === null ? null : adversarial.split(WORD);
    const aligned = after !== null && before.length === after.length;
    const old = new Set(renames.map((pair) => pair[0])), fresh = new Set(renames.map((pair) => pair[1]));
    const left = codeBlock(before, (word, i) => i % 2 === 1 && (aligned ? word !== after[i] : after !== null && old.has(word)));
    const right = after && codeBlock(after, (word, i) => i % 2 === 1 && (aligned ? word !== before[i] : fresh.has(word)));
    return [left, right];
  };

  /* Examples: filters, a list that renders only what is in view, one detail at a time. */
  const examples = data("examples-data"), says = data("words-data");
  const attack = (name) => says.attacks[name] || name;
  const columns = ["task", "victim", "variant", "attack", "seed"];
  const rows = examples.rows.map((row) => ({ ...row, cellOf: examples.cells[row.cell] }));
  const get = {
    status: (row) => row.status,
    reason: (row) => row.reason || "",
    ...Object.fromEntries(columns.map((name, i) => [name, (row) => String(row.cellOf[i])])),
  };
  const label = { attack, status: (name) => says.statuses[name] || name };
  const tasks = new Set(examples.cells.map((cell) => cell[0])).size;
  const chosen = {}, ROW = 54, list = $("example-list"), space = make("div");
  let shown = rows, selected = 0, sought = "";
  list.append(space);

  const addFilter = (name) => {
    const counts = new Map();
    for (const row of rows) counts.set(get[name](row), (counts.get(get[name](row)) || 0) + 1);
    counts.delete("");
    if (counts.size < 2 && !["variant", "attack", "status"].includes(name)) return;
    const holder = make("label", name[0].toUpperCase() + name.slice(1)), select = make("select");
    select.id = `filter-${name}`;
    select.append(new Option("all", ""));
    for (const [value, count] of [...counts].sort()) select.append(new Option(`${(label[name] || String)(value)} (${count})`, value));
    select.addEventListener("change", () => { chosen[name] = select.value; filter(); });
    holder.append(select);
    $("filters").append(holder);
  };
  ["task", "victim", "variant", "attack", "seed", "status", "reason"].forEach(addFilter);
  const search = make("input"), holder = make("label", "Find");
  search.type = "search"; search.id = "filter-text"; search.placeholder = "sample, name or text";
  search.addEventListener("input", () => { sought = search.value.toLowerCase(); filter(); });
  holder.append(search);
  $("filters").append(holder);

  const matches = (row) => {
    for (const name in chosen) if (chosen[name] && get[name](row) !== chosen[name]) return false;
    return !sought || row.sample_id.toLowerCase().includes(sought)
      || row.renames.some((pair) => pair.some((name) => name.toLowerCase().includes(sought)))
      || examples.codes[row.original]?.toLowerCase().includes(sought);
  };
  const filter = () => {
    shown = rows.filter(matches);
    selected = 0;
    list.scrollTop = 0;
    space.style.height = `${shown.length * ROW}px`;
    const format = (count) => count.toLocaleString("en").replaceAll(",", "\u2009");
    const kept = rows.length < examples.total ? `a sample of ${format(rows.length)} from ${format(examples.total)} outcomes` : `${format(rows.length)} outcomes`;
    $("example-count").textContent = `${format(shown.length)} shown of ${kept}`;
    draw();
    detail();
  };
  const draw = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
    const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 8);
    const nodes = [];
    for (let i = first; i < last; i += 1) {
      const row = shown[i], node = make("div", row.sample_id, "row");
      node.id = `example-${i}`;
      node.setAttribute("role", "option");
      node.setAttribute("aria-selected", i === selected);
      node.setAttribute("aria-setsize", shown.length);
      node.setAttribute("aria-posinset", i + 1);
      node.style.top = `${i * ROW}px`;
      const cell = [...(tasks > 1 ? [row.cellOf[0]] : []), row.cellOf[2], attack(row.cellOf[3]), label.status(row.status)];
      node.append(make("small", cell.join(" · ")));
      nodes.push(node);
    }
    space.replaceChildren(...nodes);
    if (shown.length) list.setAttribute("aria-activedescendant", `example-${selected}`);
    else list.removeAttribute("aria-activedescendant");
  };
  const choose = (index) => {
    selected = Math.min(Math.max(0, index), shown.length - 1);
    const top = selected * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    draw();
    detail();
  };
  list.addEventListener("scroll", draw, { passive: true });
  list.addEventListener("click", (event) => {
    const node = event.target.closest(".row");
    if (node) choose(Number(node.id.slice("example-".length)));
  });
  list.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -shown.length, End: shown.length };
    if (!(event.key in steps) || !shown.length) return;
    event.preventDefault();
    choose(selected + steps[event.key]);
  });
  addEventListener("resize", draw);

  const className = (row, label) => says.classes[row.cellOf[0]]?.[label] ?? `class ${label}`;
  const before = (row) => {
    if (row.original_text !== undefined) return row.original_text;
    if (row.original_label === undefined) return "–";
    return `${className(row, row.original_label)}, probability ${row.original_probability.toFixed(3)}`;
  };
  const after = (row) => {
    if (row.adversarial_text !== undefined) return row.adversarial_text;
    if (row.adversarial_label === undefined) return "–";
    const fallen = row.adversarial_probability;
    return className(row, row.adversarial_label) + (fallen === undefined ? "" : `; ${className(row, row.original_label)} is left with ${fallen.toFixed(3)}`);
  };
  const detail = () => {
    const pane = $("example-detail"), row = shown[selected];
    pane.replaceChildren();
    pane.scrollTop = 0;
    if (!row) { pane.append(make("p", "No outcome matches these filters.", "verdict")); return; }
    const verdict = (says.statuses[row.status] || row.status) + (row.reason ? `: ${row.reason}` : "");
    const proof = row.status === "success" ? ". It parses, differs from the original only by the renames below, and changes the answer when queried alone" : "";
    pane.append(make("h3", row.sample_id), make("p", `${verdict[0].toUpperCase()}${verdict.slice(1)}${proof}.`, `verdict ${row.status}`));
    const facts = make("dl", undefined, "facts");
    const fact = (name, value) => {
      const line = make("div");
      line.append(make("dt", name), make("dd", value));
      facts.append(line);
    };
    fact("Cell", row.cellOf.map((value, i) => (columns[i] === "attack" ? attack(value) : columns[i] === "seed" ? `seed ${value}` : value)).join(" · "));
    if (row.label !== undefined) fact("Right answer", className(row, row.label));
    fact("Before", before(row));
    if (row.adversarial !== null) fact("After", after(row));
    fact("Queries", `${row.queries} asked, ${row.forwards} computed`);
    if (row.renames.length) fact("Changed", `${row.renames.length} of ${row.identifiers} names, ${row.changed_tokens} of ${row.tokens} tokens, edit distance ${row.edit_distance}`);
    pane.append(facts);
    const names = make("ul", undefined, "renames");
    for (const [old, fresh] of row.renames) {
      const item = make("li");
      appendText(item, `${old} → ${fresh}`);
      names.append(item);
    }
    if (row.renames.length) pane.append(names);
    const codes = make("div", undefined, "codes");
    const code = (index) => (index === null ? null : examples.codes[index]);
    const [left, right] = codePair(code(row.original) || "", code(row.adversarial), row.renames);
    for (const [title, block] of [["Original", left], ["Adversarial", right]]) {
      if (!block) continue;
      const part = make("div");
      block.setAttribute("aria-label", `${title} program`);
      block.setAttribute("role", "region");
      part.append(make("h4", title), block);
      codes.append(part);
    }
    pane.append(codes);
    if (row.cut) pane.append(make("p", "This program is longer than the page keeps; the whole of it is in outcomes.parquet.", "caption"));
  };
  const firstBroken = rows.some((row) => row.status === "success");
  if (firstBroken) { $("filter-status").value = "success"; chosen.status = "success"; }
  filter();
})();
