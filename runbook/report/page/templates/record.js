// Optional: folding, filters and copy buttons. The page is complete without them.
(() => {
  const record = document.querySelector(".rb");
  const timeline = record.querySelector("#rb-timeline");
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => act(made));
    return made;
  };
  const tell = document.createElement("span");
  tell.setAttribute("role", "status");
  tell.className = "rb-note";

  const copy = (pre) => {
    const box = document.createElement("div");
    box.className = "rb-copied";
    pre.replaceWith(box);
    const made = button("Copy", async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent);
        made.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(pre);
        made.textContent = "Selected";
      }
      setTimeout(() => { made.textContent = "Copy"; }, 1500);
    });
    made.className = "rb-copy";
    made.setAttribute("aria-label", `Copy: ${pre.textContent.slice(0, 60)}`);
    box.append(pre, made);
  };
  // Copy buttons are made when a step is unfolded, because a long record has thousands of commands.
  const equip = (within) => within.querySelectorAll(".rb-command, .rb-message, .rb-request").forEach((pre) => {
    if (!pre.parentElement.classList.contains("rb-copied")) copy(pre);
  });
  record.addEventListener("toggle", (event) => { if (event.target.open) equip(event.target); }, true);
  record.querySelectorAll(".rb-section:not(#rb-timeline), .rb-s[open]").forEach(equip);

  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (target && target.matches("details")) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();
  if (!timeline) return;

  const steps = [...timeline.querySelectorAll(".rb-s")];
  const filters = [["All", () => true], ["Changes", (s) => s.classList.contains("rb-acts")], ["Where it stopped", (s) => s.classList.contains("rb-stopped")]];
  const show = (wanted, pressed) => {
    let shown = 0;
    for (const step of steps) { step.hidden = !wanted(step); shown += !step.hidden; }
    for (const scenario of timeline.querySelectorAll(".rb-scenario")) {
      const own = [...scenario.querySelectorAll(".rb-s")];
      scenario.hidden = wanted !== filters[0][1] && own.every((step) => step.hidden);
    }
    for (const each of tools.querySelectorAll("[aria-pressed]")) each.setAttribute("aria-pressed", each === pressed);
    tell.textContent = `${shown} of ${steps.length} steps shown`;
  };
  const tools = document.createElement("div");
  tools.className = "rb-tools";
  tools.setAttribute("role", "group");
  tools.setAttribute("aria-label", "Show in the timeline");
  filters.forEach(([name, wanted], number) => {
    const made = button(name, (pressed) => show(wanted, pressed));
    made.setAttribute("aria-pressed", number === 0);
    tools.append(made);
  });
  const fold = (open) => steps.forEach((step) => { if (!step.hidden) step.open = open; });
  tools.append(button("Unfold", () => fold(true)), button("Fold", () => fold(false)), tell);
  timeline.querySelector("h2").after(tools);

  // For browsers whose CSS cannot unfold details for printing.
  if (!CSS.supports("selector(::details-content)")) {
    addEventListener("beforeprint", () => record.querySelectorAll("details").forEach((each) => { each.open = true; }));
  }
})();
