"use strict";

/** Captions that lead through the page, one after the other. */
const lesson = (() => {
  const { make, button } = elements;
  const captions = story.lesson ?? [];
  if (captions.length === 0) {
    return null;
  }
  let at = 0;
  const text = make("p", { id: "caption", role: "status" });
  const count = make("span", { class: "meta" });
  const back = button("Back", "caption-back", () => go(at - 1), { id: "caption-back" });
  const next = button("Next", "caption-next", () => go(at + 1), { id: "caption-next" });
  const bar = make("section", { id: "lesson", "aria-label": "Lesson" }, back, next, count, text);

  /** Say a caption, and go to the step that it is about. */
  function go(k) {
    at = Math.max(0, Math.min(captions.length - 1, k));
    const { text: words, step } = captions[at];
    text.textContent = words;
    count.textContent = `${at + 1} of ${captions.length}`;
    back.setAttribute("aria-disabled", String(at === 0));
    next.setAttribute("aria-disabled", String(at === captions.length - 1));
    if (step !== null) {
      const slider = document.getElementById("slider");
      slider.value = String(step);
      slider.dispatchEvent(new Event("input"));
    }
    if (captions[at].node !== null) {
      document.dispatchEvent(new CustomEvent("chosen", { detail: captions[at].node }));
    }
  }

  document.querySelector("header").append(bar);
  document.querySelector("header").classList.add("taught");
  const said = captions.findIndex(({ step }) => location.hash === `#${step}`);
  go(Math.max(0, said));
  return { again: () => go(at) };
})();
