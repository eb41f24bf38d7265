/* Keys for the occurrences, and copying; the page works without it. */
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, textarea, select");
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll(".et-menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const link = document.querySelector(`[data-et-key="${CSS.escape(event.key)}"]`);
  if (link && link.matches("input")) {
    event.preventDefault();
    link.focus();
  } else if (link) {
    link.click();
  }
});
for (const area of document.querySelectorAll("[data-et-copy]")) {
  area.closest("details").addEventListener("toggle", () => {
    area.select();
    if (navigator.clipboard) {
      navigator.clipboard.writeText(area.value).catch(() => {});
    }
  });
}
for (const box of document.querySelectorAll("[data-et-all]")) {
  box.hidden = false;
  box.addEventListener("change", () => {
    for (const each of document.querySelectorAll("#changelist-form .action-select")) {
      each.checked = box.checked;
    }
  });
}
