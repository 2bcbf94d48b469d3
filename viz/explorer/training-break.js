"use strict";

/** Rules with classic mistakes in them, one switch for each, and what the checker says. */
const breaker = (() => {
  const { make } = elements;
  const { rules = [], mistakes: known = [] } = story.broken ?? {};
  if (rules.length === 0) {
    return null;
  }
  const words = make("ul", { class: "said", role: "status", "aria-label": "What the checker says" });
  const who = make("p", { class: "meta", hidden: "" }, "The checker of gradients, of such a rule for z = f(x), on a small sample of its own:");
  const rows = rules.map(({ node, to, switch: name, mistakes: ids }) => {
    const mistakes = ids.map((k) => known[k]);
    const title = `${story.called(node)} → ${story.nodes[to].gradientName}`;
    const choice = make("select", { "aria-label": `The rule of ${title}` }, ...["right", ...mistakes.map((one) => one.name)].map((text) => make("option", {}, text)));
    choice.addEventListener("input", () => {
      live.plant(name, choice.selectedIndex);
    });
    return { title, to, choice, mistakes, name };
  });

  /** What the checker says of each mistake that is made, and whether these data show it. */
  function tell() {
    rows.forEach(({ choice, name }) => (choice.selectedIndex = live.planted(name))); // undone, perhaps
    who.hidden = rows.every(({ choice }) => choice.selectedIndex === 0);
    words.replaceChildren(...rows.filter(({ choice }) => choice.selectedIndex > 0).map(({ title, to, choice, mistakes }) => {
      const { says } = mistakes[choice.selectedIndex - 1];
      const k = story.nodes[to].gradient;
      const shown = k in live.values && !live.differs(k) ? " On these numbers it makes no difference yet." : "";
      return make("li", {}, `${title}: dx ${says}${says.endsWith("?") ? "" : "."}${shown}`);
    }));
  }

  const list = make("div", { class: "switches" }, ...rows.map(({ title, choice }) => make("label", { class: "field" }, make("span", {}, title), choice)));
  const element = make("details", { id: "break" }, make("summary", {}, "Break a rule of the backward pass"), list, who, words);
  elements.alone(element);
  live.listen((settled) => settled && tell());
  return element;
})();
