"""The results of a campaign for people who did not run it: counted, and as a page of HTML."""
