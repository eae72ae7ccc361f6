static int pages(void) { return PAGES; }
