"use strict";

/** Formulas as they were typeset, on as many lines as it takes: browsers do not break MathML. */
const formulas = (() => {
  const { make } = elements;
  const SMALLEST = 14; // CSS pixels of letters in what is too wide for a line by itself
  const SIGNS = new Set(["=", "+=", "+", "−", "⊙", "·", "<", ">", "≤", "≥"]); // a line may begin with one
  const whole = new WeakMap();

  /** A formula that was typeset for this page: the one markup that is taken as such. */
  function typeset(markup, tag = "div") {
    const box = make(tag, { class: "formula" });
    box.innerHTML = markup;
    for (const name of box.querySelectorAll("mi:not([mathvariant])")) {
      name.classList.toggle("letter", [...name.textContent].length === 1);
    }
    whole.set(box, box.firstElementChild);
    return box;
  }

  const isSign = ({ localName, textContent }) => localName === "mo" && SIGNS.has(textContent);

  /** The elements of a formula in a row, without the rows they are grouped in; how deep in brackets. */
  function flat(math) {
    const found = [];
    const queue = [...math.children];
    let depth = 0;
    while (queue.length > 0) {
      const element = queue.shift();
      const parts = [...element.children];
      if (element.localName === "mrow") {
        parts.filter(isSign).forEach((sign) => sign.setAttribute("form", form(sign)));
        queue.unshift(...parts);
      } else {
        const text = element.localName === "mo" ? element.textContent : "";
        const before = isSign(element) && element.getAttribute("form") === "infix";
        depth -= /^[)\]]$/u.test(text) ? 1 : 0;
        found.push({ element, text, depth, before });
        depth += /^[([]$/u.test(text) ? 1 : 0;
      }
    }
    return found;
  }

  /** The kind of a sign, by its place: −x has another space than y − x. */
  function form({ previousElementSibling, nextElementSibling }) {
    return previousElementSibling ? (nextElementSibling ? "infix" : "postfix") : "prefix";
  }

  /** The formula in pieces: a line may end before a sign in so many brackets; in the end, after any bracket. */
  function pieces(math, level, last) {
    const made = [];
    let ended = true;
    for (const { element, text, depth, before } of flat(math.cloneNode(true))) {
      if (ended || (before && depth <= level)) {
        const piece = math.cloneNode(false);
        piece.removeAttribute("display");
        made.push(piece);
      }
      if (/^[([\])]$/u.test(text) && depth < level) {
        element.setAttribute("stretchy", "false"); // its counterpart may be in another line
      }
      made.at(-1).append(element);
      const space = text === "," || element.localName === "mspace";
      ended = depth <= level && (space || (last && /^[([]$/u.test(text)));
    }
    return made;
  }

  const cut = (box) => box.scrollWidth > box.clientWidth;

  /** Break a formula that is too wide, outside of brackets if that will do; what can't be broken shrinks. */
  function fit(box) {
    const math = whole.get(box);
    box.classList.remove("broken");
    box.style.fontSize = "";
    box.replaceChildren(math);
    const deepest = cut(box) ? Math.max(...flat(math.cloneNode(true)).map(({ depth }) => depth)) : -1;
    for (let level = 0; level <= deepest + 1 && deepest >= 0 && cut(box); level += 1) {
      box.classList.add("broken");
      box.replaceChildren(...pieces(math, level, level > deepest).flatMap((piece) => [piece, make("wbr")]));
    }
    const size = Number.parseFloat(getComputedStyle(box).fontSize);
    for (let less = size - 1; cut(box) && less >= SMALLEST; less -= 1) {
      box.style.fontSize = `${less}px`;
    }
  }

  return { typeset, fit };
})();
