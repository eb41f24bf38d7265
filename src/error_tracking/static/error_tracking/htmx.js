/* Shows our answers to failed htmx requests: htmx swaps no 4xx and 5xx by itself. */
document.addEventListener("htmx:beforeSwap", (event) => {
  const trigger = event.detail.xhr.getResponseHeader("HX-Trigger") || "";
  if (trigger.includes("error-tracking")) {
    for (const shown of document.querySelectorAll(".error-tracking-error")) {
      shown.remove();
    }
    event.detail.shouldSwap = true;
  }
});
