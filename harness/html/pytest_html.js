// pytest-html's table listens to the mouse only; it is rebuilt each time it is sorted or filtered.
(() => {
  const section = document.querySelector(".pt");
  const reachable = () => section.querySelectorAll(".sortable, .col-result, .logexpander, #environment-header").forEach((each) => {
    if (each.tabIndex < 0) each.tabIndex = 0;
  });
  reachable();
  new MutationObserver(reachable).observe(section, { childList: true, subtree: true });
  section.addEventListener("keydown", (event) => {
    if ((event.key === "Enter" || event.key === " ") && event.target.matches(".sortable, .col-result, .logexpander, #environment-header")) {
      event.preventDefault();
      event.target.click();
    }
  });
})();
