.PHONY: demo test
demo test:
	@scripts/$@
