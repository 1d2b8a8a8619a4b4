"""The alternatives to compare with: the workshop's functions as its public material describes them, and a Firehose
transform written like AWS' samples. All are written as plainly as such code is."""
