"use strict";

/** The program as text, with the lines of the present step lit; and the tabs beside it. */
const tabs = (() => {
  const { make } = elements;
  const main = document.querySelector("main");
  const sheets = new Map([["Numbers", document.getElementById("panel")]]);
  const row = make("div", { class: "buttons tabs", role: "group", "aria-label": "Beside the graph" });

  /** Show one of the sheets in the place of the panel. */
  function open(title) {
    for (const [name, sheet] of sheets) {
      sheet.hidden = name !== title;
    }
    row.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(one.textContent === title)));
    document.dispatchEvent(new CustomEvent("opened", { detail: title }));
  }

  /** A sheet beside the panel, with its button. */
  function add(title, sheet) {
    if (sheet !== sheets.get(title)) {
      sheets.set(title, sheet);
      sheet.hidden = true;
      main.append(sheet);
    }
    const one = elements.button(title, `tab-${title}`, () => open(title), { "aria-pressed": String(!sheet.hidden) });
    row.append(one);
  }

  if (!live.on) {
    return { add, open };
  }
  editing.bar.append(row);
  const sources = Object.fromEntries(["source", "broken"].map((id) => [id, document.getElementById(id).textContent.trim().replace('"use strict"; ', "").split("\n")]));
  let lines = []; // written when they are first looked at
  let lit = [];
  const list = make("ol", { tabindex: "0", "aria-label": "The program, line by line" });
  const single = sources.source.some((line) => line.includes("Float32Array")) ? " Each op of float32 is rounded, as NumPy rounds it; its last digit may be another one." : "";
  const note = make("p", { class: "meta" }, `This text computes the page's numbers.${single} Branches that Python took while recording, and positions written into an index, stay as they were recorded.`);
  const rows = make("p", { class: "meta" }, `Rewritten as compile does, so that what saturates stays finite: ${live.data.rows?.join("; ")}.`);
  const sheet = make("aside", { id: "program", "aria-label": "Program" }, note, rows, list);

  /** Light the lines of the present step. */
  function light() {
    if (sheet.hidden) {
      return;
    }
    if (lines.length === 0) {
      lines = sources[live.data === story.live ? "source" : "broken"].map((line) => make("li", {}, line || " "));
      list.replaceChildren(...lines);
      rows.hidden = !live.data.rows.length;
    }
    lit.forEach((line) => line.classList.remove("lit"));
    lit = (live.data.lines[Number(document.body.dataset.step) - 1] ?? []).map((k) => lines[k - 1]);
    lit.forEach((line) => line.classList.add("lit"));
    const [first] = lit;
    if (first) {
      const { top, bottom } = sheet.getBoundingClientRect();
      const at = first.getBoundingClientRect();
      if (at.top < top || at.bottom > bottom) {
        sheet.scrollTop += at.top - (top + bottom) / 2;
      }
    }
  }

  add("Numbers", sheets.get("Numbers"));
  add("Program", sheet);
  new MutationObserver(light).observe(document.body, { attributeFilter: ["data-step"] });
  document.addEventListener("laid", () => {
    lines = [];
    light();
  });
  document.addEventListener("opened", light);
  document.addEventListener("picked", () => open("Numbers"));
  light();
  return { add, open };
})();
